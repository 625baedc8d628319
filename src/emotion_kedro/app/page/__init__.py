"""The page in the browser: what it shows, what is decided on it, and how it is served."""
