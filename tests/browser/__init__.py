"""What only a real browser can show, against the product's own web server."""
