"""The process that runs: what guards it, what it says while it works, the machine that it is on."""
