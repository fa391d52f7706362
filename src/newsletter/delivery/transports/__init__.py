"""Ways a message leaves the house, and which of them this publication may take."""
