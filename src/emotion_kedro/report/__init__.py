"""Pages and plots over tidy tables."""
