"""What `privacy-gateway demo` shows, and the stand-ins that it shows it with. Nothing here runs in production."""
