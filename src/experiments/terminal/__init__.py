"""What a person sees while commands run. It is given values, never a session."""
