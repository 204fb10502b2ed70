"""The transport ``webdav`` of Git-Theta: objects in a folder of a WebDAV server."""
