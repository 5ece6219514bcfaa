"""What a class is: columns, mappers, and the functions generated for them."""
