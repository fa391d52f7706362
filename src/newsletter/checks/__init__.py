"""One rule, one code, one function over all words."""
