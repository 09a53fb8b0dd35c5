"""What happens at an endpoint's terminal between a parcel and the resident register (住民基本台帳), both ways."""
