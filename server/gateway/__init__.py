"""The gateway: one ASGI application in front of the engines."""
