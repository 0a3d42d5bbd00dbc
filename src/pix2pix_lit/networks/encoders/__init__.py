"""Classifiers trained on ImageNet, as extractors of features."""
