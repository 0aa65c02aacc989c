"""Where bins come from: a folder, a dashboard or a bucket. Only this room knows HTTP, S3 or the layout of a disk.

It uses common, bins and raw. A new source is one module that answers the protocols, and an entry in open_source.
Both clients, http.HttpClient and s3.S3Client, send their requests through retry.Retrier.

Public: open_source.open_source, s3.S3Client, protocols.BinCatalog, ScoreReader, FeatureReader, ImageReader and Source,
source_file.SourceFile.
"""
