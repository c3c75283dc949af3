"""The vocabulary: pure values and rules that every other floor speaks. Standard library and msgspec only."""
