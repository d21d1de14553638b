"""What is learnt: data, models, recipes and their scores. No framework is imported here."""
