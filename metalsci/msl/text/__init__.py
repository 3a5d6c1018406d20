"""Metal source as text: tokens, macros, preprocessor branches, and maps back to the user's file."""
