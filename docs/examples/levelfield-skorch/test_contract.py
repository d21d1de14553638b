from levelfield import contract

test_contract = contract("skorch")
