"""How an installation is: what is known of it, and what is wrong."""
