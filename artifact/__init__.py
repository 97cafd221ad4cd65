"""The artifact: a folder with everything that predicting needs, and how it is read, checked and rewritten."""

from hsegap.artifact.artifact import ARTIFACT_ENV, Artifact, ArtifactError, default_artifact
from hsegap.artifact.manifest import GoldenCase, Manifest, file_sha256, write_manifest

__all__ = [
    "ARTIFACT_ENV",
    "Artifact",
    "ArtifactError",
    "GoldenCase",
    "Manifest",
    "default_artifact",
    "file_sha256",
    "write_manifest",
]
