"""Daily plankton abundance from the class scores of an Imaging FlowCytobot."""
