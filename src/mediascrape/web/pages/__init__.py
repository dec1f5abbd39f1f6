"""The pages people look at, rendered on the server: one file per page, each with its router."""
