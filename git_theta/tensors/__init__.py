"""Values: element types and specs."""
