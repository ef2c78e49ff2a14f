"""Forms of the dashboard's pages, one module a noun. They check shapes; what is allowed is the services' business."""
