module vitrine.example/interop

go 1.26
