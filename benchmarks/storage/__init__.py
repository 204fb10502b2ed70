"""Bytes and speed of storing fine-tunes of a real model, beside other ways to store them."""
