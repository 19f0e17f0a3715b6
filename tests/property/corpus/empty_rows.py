"""Empty lists take their type from the annotation, the variable or the list they are put into."""


def buckets(n: int) -> list[list[int]]:
    rows: list[list[int]] = [[] for _ in range(n)]
    for i in range(n):
        rows[i * i % n].append(i)
    rows[0] = []
    return rows


# call buckets(5)
# call buckets(0)
