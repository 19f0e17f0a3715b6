"""`xs[i] += value` finds list and index before it evaluates the value, even when that changes
them."""


def popped(xs: list[int], ys: list[int]) -> list[int]:
    xs[len(ys) % len(xs)] += ys.pop()
    return xs


def swap(grid: list[list[int]]) -> int:
    grid[0] = grid[1]
    return 1


def swapped(grid: list[list[int]]) -> list[list[int]]:
    grid[0][0] += swap(grid)
    return grid


def twice(xs: list[int]) -> list[int]:
    xs[xs.pop()] = xs[xs.pop()] + 1
    return xs


# call popped([0, 3], [1, 6])
# call swapped([[1], [5]])
# call twice([3, 4, 5, 1, 0])
