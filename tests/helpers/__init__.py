"""What tests share: small models, molecules and files. Import it as ``tests.helpers.<name>``."""
