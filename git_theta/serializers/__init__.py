"""An update's arrays to stored bytes, and back."""
