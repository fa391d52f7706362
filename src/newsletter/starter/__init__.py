"""The starter: a small neutral publication that lies inside the package, and how it is laid out."""
