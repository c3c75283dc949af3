"""HTTP over the operations: Django REST framework views, one resource a file."""
