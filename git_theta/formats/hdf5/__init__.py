"""The HDF5 format, and Keras's archives of it."""
