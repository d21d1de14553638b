from levelfield.harness.pytest_plugin import contract

test_contract = contract("mlx")
