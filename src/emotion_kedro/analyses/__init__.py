"""What is singular: each analysis is a module with a function ``analyse``, which returns tables by name."""
