"""Object stores: S3, Azure Blob, Google Cloud Storage. Not what is stored in them, nor when."""
