"""What is known about journeys: figures and read models for staff. Reads the store, decides nothing."""
