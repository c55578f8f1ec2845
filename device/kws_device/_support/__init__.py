"""What all four packages of the kit lean on. Not public: programs import `kws_device` alone."""
