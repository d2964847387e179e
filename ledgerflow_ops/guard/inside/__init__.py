"""What a program would do inside a container: PostgreSQL's programs, SQL, shells, Django, files. Pure."""
