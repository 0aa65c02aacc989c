"""Plankton abundance from an Imaging FlowCytobot: what the workflow is made of."""
