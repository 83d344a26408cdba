"""What users ask for by name. Each target is a list of files that the stages make."""

TRAINED = f"{RESULTS}/train/{config['model']['name']}"
VALIDATED = f"{RESULTS}/validate"

