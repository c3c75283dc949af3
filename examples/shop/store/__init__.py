"""What the shop sells, and the orders."""
