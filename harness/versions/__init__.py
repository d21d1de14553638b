"""Since which version is it slower? Environments with versions of a package, and the search among its releases."""
