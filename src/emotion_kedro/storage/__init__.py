"""What a run leaves on the disk: whole or not at all, under a name that says what it was made from."""
