"""A Git-Theta plug-in for the files of llama.cpp and whatever else is built on ggml."""
