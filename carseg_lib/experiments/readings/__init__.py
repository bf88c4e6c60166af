"""The paper's text under each of its readings, trained: under how many is its number reached?"""
