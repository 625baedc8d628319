"""The study: what its cells draw on, how they are run, and what is kept between runs."""
