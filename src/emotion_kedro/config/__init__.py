"""All parameters as types, the label sets, and the loader that writes experiments out. No torch."""
