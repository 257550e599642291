"""A Fibre Channel switch in software: an FCoE forwarder that joins virtual machines over local datagram sockets.

Run as ``python3 -m sanlab.fabric``; steer it with :class:`sanlab.fabric.client.FabricClient`.
"""
