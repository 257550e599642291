"""The software SAN: virtual machines, two Fibre Channel fabrics and an array."""
