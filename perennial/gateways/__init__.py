"""Payment providers, one module or package each, behind `perennial.ports.PaymentGateway`."""
