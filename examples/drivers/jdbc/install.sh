#!/bin/sh
#
# Downloads the jar files that pom.xml and jars.sha256 name, and compiles Server.java.
#
set -e
cd "$(dirname "$0")"
mvn --batch-mode --quiet "-Dmaven.repo.local=$HOME/.m2/repository" "-DoutputDirectory=$PWD/target" \
	org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies
sha256sum --check --quiet jars.sha256
javac -d target -cp 'target/*' Server.java
