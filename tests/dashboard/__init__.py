"""The IFCB dashboard, emulated: archives on disk, served on loopback as versions 5.0 to 5.2 serve theirs."""
